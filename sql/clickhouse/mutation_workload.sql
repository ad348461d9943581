-- mutation_workload: what mutations of tables belong to that do not say otherwise
SELECT value
FROM system.server_settings
WHERE name = 'mutation_workload'
