//! How often others are asked about a run, and how long each of them may take.

use std::time::Duration;

/// How often a run's state is asked of GCk6.
pub const STATE_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How often a running runner is asked for its status. The end of a run is seen within this time.
pub const RUNNER_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How many of a run's runners are asked in a second, on average, while one speaks for all.
pub const HEARTBEATS_PER_SECOND_MAX: u32 = 10;
/// How often every runner is asked at the most.
pub const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_secs(2);
/// How often every runner is asked at the least.
pub const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(30);
/// How long a runner may leave calls unanswered before the conditions say so.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often a runner that answers, but is not ready, is asked again.
pub const READY_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long GCk6 is given to say that it was the one who interrupted the test on a runner.
pub const CLOUD_WORD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the cause of an early end is given to be recorded before the runners are stopped without that.
pub const RECORD_PATIENCE: Duration = Duration::from_secs(3);
/// How long GCk6 is not told of an end that may be the namespace's, until the Event about it is taken or refused.
pub const NAMESPACE_PATIENCE: Duration = Duration::from_secs(3);
/// How long runners are given to take "stop". Deleting their Jobs stops them anyway.
pub const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long pods are given to go, from their deletion or the last one that went: twice the default grace period of 30 s. A pod
/// on a lost node never goes.
pub const PODS_PATIENCE: Duration = Duration::from_secs(60);
/// How much longer they are given in all, for each runner: a slow node ends them one after another.
pub const PODS_PATIENCE_PER_RUNNER: Duration = Duration::from_secs(2);
/// How long a `TestRun` that somebody deletes is kept for its run to come to its end.
pub const DELETION_PATIENCE: Duration = Duration::from_secs(180);
/// How long GCk6 is told again and again what has happened while it cannot be reached: longer than a line to the world is
/// usually gone.
pub const CLOUD_PATIENCE: Duration = Duration::from_secs(4 * 3600);
/// How long setup may take after all runners are ready, tries included.
pub const SETUP_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// How long a test may run. GCk6 ends every test long before; this is for runs that it has forgotten.
pub const RUN_TIME_MAX: Duration = Duration::from_secs(48 * 3600);
