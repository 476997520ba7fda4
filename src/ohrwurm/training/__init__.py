"""Examples, a model and an objective become a checkpoint (Lightning). Start at `runner.run` and `task.Task`."""
