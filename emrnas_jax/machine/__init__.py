"""The machine at hand: its devices, processes, memory, files and terminal."""
