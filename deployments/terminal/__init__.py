"""What people see in a terminal: lines, tables, progress bars."""
