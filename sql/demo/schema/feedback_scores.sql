-- feedback_scores: scores for a trace, a span or a thread
CREATE TABLE feedback_scores
(
    entity_id FixedString(36),
    entity_type Enum8('unknown'=0,'span'=1,'trace'=2,'thread'=3),
    project_id FixedString(36),
    workspace_id String,
    name String,
    category_name String DEFAULT '',
    value Decimal(18,9),
    reason String DEFAULT '',
    source Enum8('sdk'=1,'ui'=2,'online_scoring'=3),
    created_at DateTime64(9,'UTC') DEFAULT now64(9),
    last_updated_at DateTime64(9,'UTC') DEFAULT now64(9),
    created_by String DEFAULT '',
    last_updated_by String DEFAULT ''
)
ENGINE = ReplacingMergeTree(last_updated_at)
ORDER BY (workspace_id, project_id, entity_type, entity_id, name)
