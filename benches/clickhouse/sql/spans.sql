-- spans: Opik's spans before the cutover to partitions, with the settings of that schema
CREATE TABLE {table:Identifier}
(
    id FixedString(36),
    workspace_id String,
    project_id FixedString(36),
    trace_id FixedString(36),
    parent_span_id String DEFAULT '',
    name String,
    type Enum8('unknown'=0,'general'=1,'tool'=2,'llm'=3,'guardrail'=4),
    start_time DateTime64(9,'UTC') DEFAULT now64(9),
    end_time Nullable(DateTime64(9,'UTC')),
    input String DEFAULT '',
    output String DEFAULT '',
    metadata String DEFAULT '',
    tags Array(String),
    usage Map(String, Int32),
    created_at DateTime64(9,'UTC') DEFAULT now64(9),
    last_updated_at DateTime64(6,'UTC') DEFAULT now64(6),
    created_by String DEFAULT '',
    last_updated_by String DEFAULT '',
    model String DEFAULT '',
    provider String DEFAULT '',
    total_estimated_cost Decimal(38,12),
    total_estimated_cost_version String DEFAULT '',
    error_info String DEFAULT '',
    input_length UInt64 MATERIALIZED length(input),
    output_length UInt64 MATERIALIZED length(output),
    metadata_length UInt64 MATERIALIZED length(metadata),
    truncation_threshold UInt64 DEFAULT 10001,
    truncated_input String MATERIALIZED
        if(length(input) >= truncation_threshold,
            substring(input, 1, truncation_threshold), input),
    truncated_output String MATERIALIZED
        if(length(output) >= truncation_threshold,
            substring(output, 1, truncation_threshold), output),
    input_slim String DEFAULT '',
    output_slim String DEFAULT '',
    duration Nullable(Float64) MATERIALIZED
        if(end_time IS NOT NULL AND start_time IS NOT NULL
                AND start_time != toDateTime64('1970-01-01 00:00:00.000', 9),
            dateDiff('microsecond', start_time, end_time) / 1000.0, NULL),
    ttft Nullable(Float64),
    source Enum8('unknown'=0,'sdk'=1,'experiment'=2,'playground'=3,
        'optimization'=4,'evaluator'=5) DEFAULT 'unknown',
    environment LowCardinality(String) DEFAULT '',
    id_at DateTime('UTC') MATERIALIZED UUIDv7ToDateTime(toUUID(id)),
    INDEX idx_spans_source source TYPE set(0) GRANULARITY 1,
    INDEX idx_spans_environment environment TYPE set(0) GRANULARITY 1,
    INDEX idx_spans_created_at created_at TYPE minmax GRANULARITY 1,
    INDEX idx_spans_last_updated_at last_updated_at TYPE minmax GRANULARITY 1,
    INDEX idx_spans_id id TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(last_updated_at)
