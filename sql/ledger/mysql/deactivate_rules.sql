-- deactivate_rules: the row stays, with who and when; an inactive one keeps what it has
UPDATE rules SET deactivated_at = ?, deactivated_by = ?, deactivated_revision = ? WHERE deactivated_at IS NULL AND id IN (/* each */ ? /* end */)
