"""`python -m emrnas_jax.benchmark`; see `command`."""

from emrnas_jax.benchmark.command import main

if __name__ == "__main__":
    main()
