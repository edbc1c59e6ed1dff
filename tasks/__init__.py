"""The steps of nasflow, a package a stage. Importing it loads nothing."""
