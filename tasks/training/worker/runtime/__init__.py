"""The trainer as a process: devices, memory, events, exit codes."""
