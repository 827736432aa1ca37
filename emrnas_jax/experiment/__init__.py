"""The experiment of section 3: config, stages, and the results of a run."""
