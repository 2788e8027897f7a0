//! Kafka's words for what went wrong, and the class of each.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// The class of a code of librdkafka or of a broker.
pub(super) fn class_of(code: Code) -> ErrorClass {
    match code {
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::IllegalSASLState
        | Code::SSL => ErrorClass::Auth,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => ErrorClass::Permission,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => ErrorClass::Conflict,
        Code::MessageSizeTooLarge => ErrorClass::TooLarge,
        Code::InvalidRecord | Code::InvalidMessage | Code::InvalidTimestamp => {
            ErrorClass::Malformed
        }
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::UnknownTopicId => ErrorClass::NotFound,
        Code::InvalidArgument
        | Code::InvalidConfig
        | Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::PolicyViolation
        | Code::UnsupportedSASLMechanism
        | Code::InvalidRequiredAcks => ErrorClass::Config,
        Code::QueueFull | Code::ThrottlingQuotaExceeded => ErrorClass::Throttled,
        Code::MessageTimedOut
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::TimedOutQueue => ErrorClass::Timeout,
        Code::UnsupportedVersion | Code::UnsupportedFeature | Code::NotImplemented => {
            ErrorClass::Unsupported
        }
        // What a broker says while it starts, stops, elects or copies passes by itself; so does
        // what a newer broker may say.
        _ => ErrorClass::Unreachable,
    }
}

/// A fault of a call.
pub(super) fn fault(doing: impl Into<String>, error: KafkaError) -> Fault {
    let doing = doing.into();
    match error {
        // Its own text holds the value, which may be a secret.
        KafkaError::ClientConfig(_, description, key, _) => {
            let known = if description.starts_with("No such") { "knows no" } else { "refuses" };
            let what = format!("{doing}: librdkafka {known} property `{key}`");
            Fault::new(ErrorClass::Config, what)
                .hint("Correct it under `kafka` in the sink's settings.")
        }
        KafkaError::ClientCreation(said) => {
            Fault::new(ErrorClass::Config, doing).because(Said(said))
        }
        KafkaError::AdminOp(code) => of_code(doing, code),
        error => match error.rdkafka_error_code() {
            Some(code) => of_code(doing, code),
            None => Fault::new(ErrorClass::Internal, doing).because(error),
        },
    }
}

/// A fault of a code.
pub(super) fn of_code(doing: impl Into<String>, code: Code) -> Fault {
    let fault = Fault::new(class_of(code), doing).because(code);
    match class_of(code) {
        ErrorClass::Conflict => {
            fault.hint("Two processes run the same stream with this sink: stop one of them.")
        }
        ErrorClass::NotFound => fault.hint(
            "Create the topic, set `create_topics` on the sink, or let the broker create topics.",
        ),
        ErrorClass::Permission => fault.hint(
            "Grant Write and Describe on the topics, and for `exactly_once` Write on the \
             transactional id and Read and Write on the topic of positions.",
        ),
        _ => fault,
    }
}

/// librdkafka's own words.
#[derive(Debug)]
pub(super) struct Said(pub(super) String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}
