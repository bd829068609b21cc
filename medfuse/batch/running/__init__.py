"""Running studies unattended: the runner, its worker processes, their limits, the lock, clusters."""
