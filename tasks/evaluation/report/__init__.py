"""The report page of an evaluation: its words, tables, plots and images."""
