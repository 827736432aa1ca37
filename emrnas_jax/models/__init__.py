"""The networks: cells, the cascade, and the networks that it is compared with."""
