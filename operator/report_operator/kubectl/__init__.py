"""The kubectl plugin `kubectl report`. It reaches the cluster through kubectl itself, and knows only the API.

kubectl brings whatever a kubeconfig may ask for (contexts, logins by other programs, proxies), so no client is here.
"""
