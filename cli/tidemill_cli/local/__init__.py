"""The local stack: the emulator, the processes that run the functions, and deploying to it."""
