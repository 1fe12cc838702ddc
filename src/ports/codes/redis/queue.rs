//! The mail queue in Redis: a stream a partition, read by one consumer group of all replicas.
//!
//! A mail that a worker has taken is the worker's until it is done, given back, or not renewed for a whole lease.

use std::time::Duration;

use chrono::DateTime;
use redis::aio::MultiplexedConnection;
use redis::streams::{
    StreamAutoClaimReply, StreamPendingReply, StreamRangeReply, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, RedisError};

use super::{RedisCodes, millis, store_error, unknown_word};
use crate::ports::PortError;
use crate::ports::codes::{MAIL_LEASE, QueueLook, QueueStanding, QueuedMail};
use crate::telemetry::StoreCall;

/// The consumer group of every mail worker.
const MAILERS: &str = "mailers";
/// How long a worker waits on Redis for the next mail before it looks around.
const MAIL_WAIT: Duration = Duration::from_secs(2);

impl RedisCodes {
    pub(in crate::ports::codes) async fn next_mail(
        &self,
        partition: u16,
    ) -> Result<Option<QueuedMail>, PortError> {
        let slot = self.waiting.get(usize::from(partition)).ok_or_else(|| unknown_word("partition"))?;
        let mut slot = slot.lock().await;
        let connection = if let Some(connection) = slot.take() {
            connection
        } else {
            let answer = MAIL_WAIT + Duration::from_secs(1);
            self.connections.alone(partition, answer).await.map_err(store_error)?
        };
        let outcome = self.read_mail(partition, &mut connection.clone()).await;
        // A connection that failed is not kept: the next call makes a new one.
        if outcome.is_ok() {
            *slot = Some(connection);
        }
        outcome
    }

    pub(in crate::ports::codes) async fn mail_done(&self, mail: &QueuedMail) -> Result<(), PortError> {
        let key = self.mail_key(mail.partition);
        let mut both = redis::pipe();
        both.atomic().xack(&key, MAILERS, &[&mail.id]).ignore().xdel(&key, &[&mail.id]).ignore();
        self.timed(StoreCall::Mail, both.query_async::<()>(&mut self.connections.at(mail.partition))).await
    }

    pub(in crate::ports::codes) async fn mail_renew(&self, mail: &QueuedMail) -> Result<(), PortError> {
        self.set_idle(mail, Duration::ZERO).await
    }

    pub(in crate::ports::codes) async fn mail_give_back(&self, mail: &QueuedMail) -> Result<(), PortError> {
        self.set_idle(mail, MAIL_LEASE).await
    }

    pub(in crate::ports::codes) async fn queue(&self) -> Result<QueueStanding, PortError> {
        let mut standing = QueueStanding::default();
        for partition in 0..self.settings.partitions {
            let key = self.mail_key(partition);
            let mut look = redis::pipe();
            look.xlen(&key).xrange_count(&key, "-", "+", 1).cmd("TIME");
            let (depth, oldest, (secs, micros)): (u64, StreamRangeReply, (u64, u64)) =
                self.timed(StoreCall::Queue, look.query_async(&mut self.connections.at(partition))).await?;
            // An entry's id begins with the server's own time, in milliseconds.
            let queued_at = oldest.ids.first().and_then(|id| id.id.split('-').next()?.parse().ok());
            let now = Duration::from_secs(secs) + Duration::from_micros(micros);
            let age = queued_at.map(|at| now.saturating_sub(Duration::from_millis(at)));
            standing.depth += depth;
            standing.oldest_age = standing.oldest_age.max(age.unwrap_or_default());
        }
        Ok(standing)
    }

    pub(in crate::ports::codes) async fn look_at_mail(&self, most: u16) -> Result<QueueLook, PortError> {
        let mut look = QueueLook::default();
        let most_each = most.div_ceil(self.settings.partitions);
        for partition in 0..self.settings.partitions {
            let key = self.mail_key(partition);
            let mut ask = redis::pipe();
            ask.xlen(&key).xrange_count(&key, "-", "+", most_each);
            let (waiting, oldest): (u64, StreamRangeReply) =
                self.timed(StoreCall::Queue, ask.query_async(&mut self.connections.at(partition))).await?;
            look.waiting += waiting;
            // A queue that nobody has used has no group to ask.
            if waiting > 0 {
                let mut connection = self.connections.at(partition);
                let taken = connection.xpending::<_, _, StreamPendingReply>(&key, MAILERS);
                look.in_hand += self.timed(StoreCall::Queue, taken).await?.count() as u64;
            }
            // An entry's id begins with the server's own time, in milliseconds.
            let queued_at = oldest.ids.first().and_then(|id| id.id.split('-').next()?.parse().ok());
            let queued_at = queued_at.and_then(DateTime::from_timestamp_millis);
            look.oldest_at = [look.oldest_at, queued_at].into_iter().flatten().min();
            look.jobs.extend(oldest.ids.iter().map(|id| id.get("job").unwrap_or_default()));
        }
        Ok(look)
    }

    /// First a mail that some worker took and did not finish, then a new one.
    async fn read_mail(
        &self,
        partition: u16,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<QueuedMail>, PortError> {
        let key = self.mail_key(partition);
        let mail = |id: &redis::streams::StreamId| QueuedMail {
            job: id.get("job").unwrap_or_default(),
            partition,
            id: id.id.clone(),
        };
        let abandoned: Result<StreamAutoClaimReply, RedisError> = redis::cmd("XAUTOCLAIM")
            .arg(&key)
            .arg(MAILERS)
            .arg(&self.consumer)
            .arg(millis(MAIL_LEASE))
            .arg("0")
            .arg("COUNT")
            .arg(1)
            .query_async(connection)
            .await;
        match abandoned {
            Ok(reply) => {
                if let Some(id) = reply.claimed.first() {
                    return Ok(Some(mail(id)));
                }
            }
            // The queue expires with its last code, and its group with it.
            Err(error) if error.code() == Some("NOGROUP") => {
                self.make_group(&key, connection).await?;
            }
            Err(error) => return Err(store_error(error)),
        }
        let options = StreamReadOptions::default()
            .group(MAILERS, &self.consumer)
            .count(1)
            .block(usize::try_from(millis(MAIL_WAIT)).unwrap_or(0));
        let fresh: Result<Option<StreamReadReply>, RedisError> =
            connection.xread_options(&[&key], &[">"], &options).await;
        match fresh {
            Ok(reply) => {
                Ok(reply.and_then(|reply| reply.keys.first().and_then(|stream| stream.ids.first().map(mail))))
            }
            // Expired while we waited; the next call makes it again.
            Err(error) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) => Ok(None),
            Err(error) => Err(store_error(error)),
        }
    }

    async fn make_group(&self, key: &str, connection: &mut MultiplexedConnection) -> Result<(), PortError> {
        let mut make = redis::pipe();
        make.xgroup_create_mkstream(key, MAILERS, "0").ignore();
        // An empty queue must not outlive the server by more than a code's life either.
        make.pexpire(key, i64::try_from(2 * millis(self.settings.limits.life)).unwrap_or(i64::MAX)).ignore();
        match make.query_async::<()>(connection).await {
            Ok(()) => Ok(()),
            // Another worker was first.
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Says how long ago a taken mail was last touched: zero renews it, the whole lease frees it.
    async fn set_idle(&self, mail: &QueuedMail, idle: Duration) -> Result<(), PortError> {
        let mut claim = redis::cmd("XCLAIM");
        claim
            .arg(self.mail_key(mail.partition))
            .arg(MAILERS)
            .arg(&self.consumer)
            .arg(0)
            .arg(&mail.id)
            .arg("IDLE")
            .arg(millis(idle))
            .arg("JUSTID");
        let mut connection = self.connections.at(mail.partition);
        self.timed(StoreCall::Mail, claim.query_async::<redis::Value>(&mut connection)).await.map(drop)
    }
}
