-- experiment_items: traces that an experiment refers to, and that must therefore stay
CREATE TABLE experiment_items
(
    id FixedString(36),
    experiment_id FixedString(36),
    dataset_item_id FixedString(36),
    trace_id FixedString(36),
    workspace_id String,
    created_at DateTime64(9,'UTC') DEFAULT now64(9),
    last_updated_at DateTime64(9,'UTC') DEFAULT now64(9),
    created_by String DEFAULT '',
    last_updated_by String DEFAULT '',
    project_id Nullable(FixedString(36)),
    execution_policy String DEFAULT '',
    INDEX idx_experiment_items_project_id project_id TYPE minmax GRANULARITY 1,
    INDEX idx_experiment_items_trace_id trace_id TYPE minmax GRANULARITY 1,
    INDEX idx_experiment_items_created_at created_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(last_updated_at)
ORDER BY (workspace_id, experiment_id, dataset_item_id, trace_id, id)
