"""The API: resource models, conditions and reasons, and the contract between operator and run.

Everything else in the package may import this; it imports nothing of the package.
"""
