-- comments: notes of people on a trace or a span
CREATE TABLE comments
(
    id FixedString(36),
    entity_id FixedString(36),
    entity_type Enum8('trace'=1,'span'=2,'thread'=3),
    project_id FixedString(36),
    workspace_id String,
    text String,
    created_at DateTime64(9,'UTC') DEFAULT now64(9),
    last_updated_at DateTime64(9,'UTC') DEFAULT now64(9),
    created_by String DEFAULT '',
    last_updated_by String DEFAULT '',
    source_queue_id FixedString(36)
)
ENGINE = ReplacingMergeTree(last_updated_at)
ORDER BY (workspace_id, project_id, entity_id, id)
