-- cluster_sizes: a Distributed table may reach shards that the configuration does not name
SELECT cluster, uniqExact(shard_num) AS n_shards
FROM system.clusters
GROUP BY cluster
ORDER BY cluster
