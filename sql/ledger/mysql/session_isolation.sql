-- session_isolation: whatever the server is set to, nobody deletes by a rule that was never committed
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
