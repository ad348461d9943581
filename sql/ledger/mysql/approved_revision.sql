-- approved_revision: the latest that a person has looked at
SELECT MAX(revision) FROM approvals
