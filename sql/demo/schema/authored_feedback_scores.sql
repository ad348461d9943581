-- authored_feedback_scores: scores by a signed-in person
CREATE TABLE authored_feedback_scores
(
    entity_id FixedString(36),
    entity_type Enum8('unknown'=0,'span'=1,'trace'=2,'thread'=3),
    project_id FixedString(36),
    workspace_id String,
    author String,
    name String,
    category_name String DEFAULT '',
    value Decimal(18,9),
    reason String DEFAULT '',
    source Enum8('sdk'=1,'ui'=2,'online_scoring'=3),
    created_at DateTime64(9,'UTC') DEFAULT now64(9),
    last_updated_at DateTime64(9,'UTC') DEFAULT now64(9),
    created_by String DEFAULT '',
    last_updated_by String DEFAULT '',
    source_queue_id FixedString(36),
    INDEX idx_authored_feedback_scores_created_at created_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(last_updated_at)
PRIMARY KEY (workspace_id, project_id, entity_type, entity_id, author, name)
ORDER BY (workspace_id, project_id, entity_type, entity_id, author, name, source_queue_id)
