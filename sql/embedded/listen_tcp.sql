-- listen_tcp: Distributed tables reach the other shards over the native protocol
SYSTEM START LISTEN TCP
