"""The public contract in code: topics, commands, messages and their bytes. Pure, like the rules it speaks for."""
