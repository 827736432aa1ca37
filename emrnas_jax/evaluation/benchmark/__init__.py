"""Speed and memory of the compiled programs, beside PyTorch's, and their growth."""
