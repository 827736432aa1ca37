"""EMR-NAS in JAX: search, train, test and use MRI reconstruction networks."""
