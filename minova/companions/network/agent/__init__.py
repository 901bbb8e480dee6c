"""The network agent: applies to one host what the network server records (README.md)."""
