//! The official images, where Docker runs.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

/// The port and the password of a ClickHouse that may still be starting.
pub fn clickhouse() -> (u16, String) {
    let password = uuid::Uuid::new_v4().to_string();
    let image = GenericImage::new("clickhouse/clickhouse-server", "26.7")
        .with_exposed_port(8123.tcp())
        .with_env_var("CLICKHOUSE_PASSWORD", &password);
    let port = until_the_process_ends(8123, move || image.start().unwrap());
    (port, password)
}

/// The port of a MySQL whose root has no password.
pub fn mysql() -> u16 {
    let image = GenericImage::new("mysql", "8.4")
        .with_exposed_port(3306.tcp())
        // Once for the initialisation, without a port, and once for the server itself.
        .with_wait_for(WaitFor::message_on_stderr(
            "port: 3306  MySQL Community Server",
        ))
        .with_env_var("MYSQL_ALLOW_EMPTY_PASSWORD", "yes");
    until_the_process_ends(3306, move || image.start().unwrap())
}

/// Starts a container, and a process that removes it when this one is gone, however that ends.
fn until_the_process_ends(
    port: u16,
    start: impl FnOnce() -> Container<GenericImage> + Send,
) -> u16 {
    // The blocking runner has a runtime of its own, which may not be inside that of a test.
    let container = std::thread::scope(|scope| scope.spawn(start).join().unwrap());
    let port = container.get_host_port_ipv4(port.tcp()).unwrap();
    let remover = Command::new("sh")
        .args([
            "-c",
            "cat >/dev/null; docker rm -f -v \"$1\"",
            "sh",
            container.id(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    // Neither may be dropped: that would end the container now.
    std::mem::forget((container, remover));
    port
}
