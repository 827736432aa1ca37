"""The search space (Table 1) and the gates that choose from it."""
