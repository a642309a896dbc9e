"""What executions do: one module an action kind; ``app.py`` registers them by their ``type``."""
