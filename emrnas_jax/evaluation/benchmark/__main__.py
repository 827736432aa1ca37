"""`python -m emrnas_jax.evaluation.benchmark`; see `command`."""

from emrnas_jax.evaluation.benchmark.command import main

if __name__ == "__main__":
    main()
