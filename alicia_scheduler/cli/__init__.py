"""The command line: one module per command, drawn on the terminal or printed as JSON."""
