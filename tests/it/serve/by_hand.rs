//! What is left to a person is in the log and in a metric of the sidecar.

use ebbtide::Embedded;

use super::Town;
use super::town::N_OLD;
use crate::support::{embedded_options, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_what_is_left_to_a_person() {
    let mut options = embedded_options();
    options.config_xml = "<max_partition_size_to_drop>100</max_partition_size_to_drop>".into();
    let server = Embedded::start(options).unwrap();
    let town = Town::at(&server).await;
    town.sql(
        "CREATE TABLE parted AS spans ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY n",
    )
    .await;
    town.sql("INSERT INTO parted SELECT * FROM spans").await;
    town.sql("EXCHANGE TABLES parted AND spans").await;
    // What is due everywhere is due in whole partitions.
    town.configure(", default: 30d", "");
    let process = town.start();
    let warning = process.until_logged("a decision is left to a person");
    assert_eq!(
        (&warning["level"], &warning["table"]),
        (&"WARN".into(), &"spans".into())
    );
    let reason = warning["reason"].as_str().unwrap();
    assert!(reason.contains("max_partition_size_to_drop"), "{reason}");
    wait_until("the metric", || {
        process.metric("ebbtide_partitions_by_hand{table=\"spans\"}") == Some(1.0)
    });
    let of_traces = process.metric("ebbtide_partitions_by_hand{table=\"traces\"}");
    assert_eq!(of_traces, Some(0.0));
    process.end();
    assert_eq!(town.count("spans").await, N_OLD, "the old ones are masked");
}
