//! What librdkafka's errors mean to a caller.

use crate::error::{Error, ErrorKind, Result};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// librdkafka deals with it by itself: not worth more than a line in the log.
    Passing,
    /// No broker can be reached.
    Down,
    /// What was asked for is not there any more.
    Gone,
    /// For the caller.
    Of(ErrorKind, Option<&'static str>),
}

const LOGIN: &str = "check [queue.sasl] and the broker's users: it is not tried again by itself";
const CERTIFICATE: &str = "check [queue.tls]: the authority that signed the brokers' certificates, the host names in \
     `brokers`, the client's certificate";
const PERMISSION: &str =
    "grant the user READ and DESCRIBE on the topics and READ on the group (kafka-acls)";
const WRITING: &str = "grant the user WRITE and DESCRIBE on the topic (kafka-acls)";
const TOPIC: &str = "check the topic's name in the plan and that the brokers are the right ones";

pub(super) fn meaning(code: Code) -> Meaning {
    use ErrorKind as K;
    match code {
        Code::AllBrokersDown => Meaning::Down,
        Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => Meaning::Gone,
        Code::Authentication | Code::SaslAuthenticationFailed => {
            Meaning::Of(K::Refused, Some(LOGIN))
        }
        Code::SSL => Meaning::Of(K::Refused, Some(CERTIFICATE)),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => Meaning::Of(K::Refused, Some(PERMISSION)),
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::InvalidTopic => Meaning::Of(K::Refused, Some(TOPIC)),
        Code::FencedInstanceId => Meaning::Of(
            K::Fenced,
            Some("another process runs under the same `queue.instance`: give each its own"),
        ),
        Code::GroupMaxSizeReached => {
            Meaning::Of(K::Refused, Some("the broker lets no more consumers into the group"))
        }
        Code::BrokerTransportFailure
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::RebalanceInProgress
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::MemberIdRequired
        | Code::PollExceeded
        | Code::WaitingForCoordinator
        | Code::ReplicaNotAvailable
        | Code::KafkaStorageError
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::OffsetNotAvailable
        | Code::UnknownTopicId
        | Code::FetchSessionIdNotFound
        | Code::InvalidFetchSessionEpoch
        | Code::BrokerNotAvailable
        // Its connection to a broker that went away was given up, with the requests in it.
        | Code::DestroyBroker
        | Code::BrokerDestroy
        | Code::TimedOutQueue
        | Code::Retry => Meaning::Passing,
        Code::BadMessage | Code::BadCompression | Code::InvalidMessage => Meaning::Of(
            K::Unreadable,
            Some("a message is damaged on the broker's disk: restore it from a replica"),
        ),
        Code::UnsupportedFeature => {
            Meaning::Of(K::Refused, Some("the brokers are too old for what is asked of them"))
        }
        Code::MessageSizeTooLarge => Meaning::Of(
            K::Refused,
            Some("raise max.message.bytes of the topic and message.max.bytes of the brokers"),
        ),
        _ => Meaning::Of(K::Failed, None),
    }
}

/// The code of an error, if there is one.
pub(super) fn code(error: &KafkaError) -> Option<Code> {
    error.rdkafka_error_code()
}

/// An error of an operation that has no answer of its own for it.
pub(super) fn failed(operation: &str, error: &KafkaError) -> Error {
    let (kind, hint) = match code(error).map(meaning) {
        Some(Meaning::Of(kind, hint)) => (kind, hint),
        Some(Meaning::Down | Meaning::Passing) => {
            (ErrorKind::Unavailable, Some("see whether the brokers run and can be reached"))
        }
        Some(Meaning::Gone) => (ErrorKind::Lost, None),
        None => (ErrorKind::Failed, None),
    };
    let made = Error::new(kind, operation).because(error.to_string());
    match hint {
        Some(hint) => made.hint(hint),
        None => made,
    }
}

/// An error of writing to a topic, which needs another permission than reading.
pub(super) fn failed_to_write(operation: &str, error: &KafkaError) -> Error {
    match code(error) {
        Some(Code::TopicAuthorizationFailed) => {
            Error::new(ErrorKind::Refused, operation).because(error.to_string()).hint(WRITING)
        }
        _ => failed(operation, error),
    }
}

/// Settings that librdkafka refuses when a client is made. Its text may quote a value, so only the
/// name of the setting is repeated.
pub(super) fn settings(error: &KafkaError) -> Option<Error> {
    let refused = Error::new(ErrorKind::Plan, "open Kafka client: a setting is refused");
    match error {
        KafkaError::ClientConfig(_, _, key, _) => Some(refused.with("setting", key)),
        // TLS files that cannot be read or do not belong together.
        KafkaError::ClientCreation(problem) if problem.contains("ssl.") => {
            Some(refused.because(problem.clone()).hint(CERTIFICATE))
        }
        _ => None,
    }
}

/// Only offsets that librdkafka has made: it has none below zero.
pub(super) fn offset(raw: i64) -> Result<u64> {
    u64::try_from(raw).map_err(|_| {
        Error::new(ErrorKind::Failed, "read from Kafka: an offset below zero").with("offset", raw)
    })
}

#[cfg(test)]
mod tests {
    use super::{Meaning, failed, failed_to_write, meaning};
    use crate::error::ErrorKind;
    use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

    #[test]
    fn who_may_not_write_is_not_told_to_have_reading_allowed() {
        let error = KafkaError::MessageProduction(Code::TopicAuthorizationFailed);
        let hint = |error: crate::error::Error| error.next_step().unwrap().to_owned();
        assert!(hint(failed_to_write("write", &error)).contains("WRITE"));
        assert!(hint(failed("read", &error)).contains("READ"));
        let down = KafkaError::MessageProduction(Code::BrokerTransportFailure);
        assert_eq!(failed_to_write("write", &down).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn what_nobody_but_an_operator_can_mend_is_never_tried_again() {
        for code in [
            Code::Authentication,
            Code::SaslAuthenticationFailed,
            Code::SSL,
            Code::TopicAuthorizationFailed,
            Code::GroupAuthorizationFailed,
            Code::UnknownTopicOrPartition,
            Code::GroupMaxSizeReached,
            Code::InvalidTopic,
        ] {
            let Meaning::Of(kind, hint) = meaning(code) else { panic!("{code:?} passes") };
            assert_eq!(kind, ErrorKind::Refused, "{code:?}");
            assert!(hint.is_some(), "{code:?}");
        }
        assert_eq!(meaning(Code::AllBrokersDown), Meaning::Down);
        assert_eq!(meaning(Code::AutoOffsetReset), Meaning::Gone);
        for code in [Code::BrokerTransportFailure, Code::DestroyBroker, Code::TimedOutQueue] {
            assert_eq!(meaning(code), Meaning::Passing);
        }
    }
}
