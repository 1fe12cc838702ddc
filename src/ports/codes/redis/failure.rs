//! What went wrong with a call of Redis: an outage, or a mistake of ours.

use redis::RedisError;

use crate::ports::{Dependency, PortError};

/// What a script was told that is no mistake of its own, in the words of an `ERR`: by Redis before 7 whatever it may not do
/// now, and by a cluster in which its slot is on the move.
const NOT_NOW: [&str; 5] =
    [": -OOM ", ": -READONLY ", ": -MISCONF ", ": -NOREPLICAS ", "Script attempted to "];

pub(super) fn store_error(error: RedisError) -> PortError {
    // What the server itself refuses by a mistake of ours is not an outage; everything else is, an out-of-memory
    // refusal, a loading or read-only server, and a script that another node than this was given included.
    let ours = matches!(error.code(), Some("ERR" | "WRONGTYPE" | "NOPERM" | "CROSSSLOT"));
    let is_told_to_a_script =
        error.detail().is_some_and(|detail| NOT_NOW.iter().any(|word| detail.contains(word)));
    if ours && !is_told_to_a_script {
        PortError::unexpected(Dependency::CodeStore, error)
    } else {
        PortError::unavailable(Dependency::CodeStore, error)
    }
}

/// Whether a call that failed may have been carried out, now or in a moment: its answer is what was lost.
pub(super) fn may_have_been_done(error: &PortError) -> bool {
    let PortError::Unavailable { source, .. } = error else { return false };
    source.downcast_ref::<RedisError>().is_none_or(|error| {
        error.is_timeout() || error.is_connection_dropped() && !error.is_connection_refusal()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> PortError {
        let value = redis::parse_redis_value(format!("-{answer}\r\n").as_bytes()).expect("an answer");
        store_error(value.extract_error().expect_err("an error"))
    }

    #[test]
    fn f04_what_redis_cannot_do_now_is_an_outage_and_our_mistakes_are_none() {
        for answer in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "READONLY You can't write against a read only replica.",
            "NOSCRIPT No matching script. Please use EVAL.",
            "LOADING Redis is loading the dataset in memory",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            // As Redis 6.2 tells what a script ran into.
            "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -OOM command not allowed",
            "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You can't write",
            "ERR Script attempted to access a non local key in a cluster node script: 1, on @user_script:9.",
        ] {
            assert!(told(answer).is_unavailable(), "{answer}");
        }
        for answer in [
            "ERR Error running script (call to f_1): @user_script:9: attempt to index a nil value",
            "ERR unknown command 'NONE'",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "NOPERM this user has no permissions to run the 'xadd' command",
        ] {
            assert!(!told(answer).is_unavailable(), "{answer}");
        }
    }
}
