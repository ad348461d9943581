-- approved_revision: the latest that a person has looked at
SELECT max(revision) FROM approvals
