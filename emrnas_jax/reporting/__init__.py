"""The report of a run: its page, tables and figures."""
