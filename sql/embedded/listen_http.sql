-- listen_http: the engine and the tests talk to it as to any ClickHouse
SYSTEM START LISTEN HTTP
