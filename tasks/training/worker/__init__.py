"""The trainer process: the only code that imports torch and super-gradients.

Files and JSON lines go in and out; there is no Prefect, no boto3 and no store credential in here.
"""
