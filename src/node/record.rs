//! Conversion of a container's saved state to and from the extension of its record.

use std::collections::BTreeMap;

use probelet_runtime::Extension;
use prost::Message;

use crate::domain::adopt::Remembered;
use crate::domain::container::Memory;
use crate::domain::spec::PodSpec;
use crate::pb;

mod v1;

use v1::Convert;

/// Key of the extension, and its type: containerd wants names without a domain.
pub const KEY: &str = "probelet.v1.record";
const TYPE: &str = "probelet.v1.Record";
/// Version of the records of pods in the namespace `default`, and of adopted containers.
const VERSION: u32 = 1;
/// Version of the records of pods in other namespaces. It differs in nothing but what it says of the
/// ids. Builds that know no namespaces leave such a record alone.
const WITH_NAMESPACE: u32 = 2;

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("written by a newer probelet (record version {0}, this one knows {WITH_NAMESPACE})")]
    Newer(u32),
    #[error("type {0:?} is not {TYPE}")]
    Foreign(String),
    #[error("not a record: {0}")]
    Garbled(#[from] prost::DecodeError),
    #[error("its JSON: {0}")]
    Json(#[from] serde_json::Error),
}

pub fn encode(pod: &PodSpec, memory: &Memory) -> Result<Extension, RecordError> {
    let is_of_default = pod.key().is_in_default() || pod.ids_of_default || pod.is_adopted();
    Ok(wrap(&pb::Record {
        version: if is_of_default { VERSION } else { WITH_NAMESPACE },
        pod: serde_json::to_string::<v1::PodSpec>(&pod.clone().convert())?,
        memory: serde_json::to_string::<v1::Memory>(&memory.clone().convert())?,
        ..pb::Record::default()
    }))
}

pub fn decode(any: &Extension) -> Result<(PodSpec, Memory), RecordError> {
    let record = unwrap(any)?;
    let memory: v1::Memory = serde_json::from_str(&record.memory)?;
    let mut pod: PodSpec = serde_json::from_str::<v1::PodSpec>(&record.pod)?.convert();
    // A build without namespaces wrote the record.
    pod.ids_of_default =
        record.version == VERSION && !pod.key().is_in_default() && !pod.is_adopted();
    Ok((pod, memory.convert()))
}

/// Encodes that the container was released by name, under these labels.
pub fn encode_released(labels: &BTreeMap<String, String>) -> Result<Extension, RecordError> {
    let released = serde_json::to_string(labels)?;
    Ok(wrap(&pb::Record { version: VERSION, released, ..pb::Record::default() }))
}

/// Decodes the extension of a foreign container's record.
pub fn decode_foreign(any: &Extension) -> Option<Remembered> {
    if any.type_url.is_empty() && any.value.is_empty() {
        return None;
    }
    let read = || {
        let record = unwrap(any)?;
        Ok(if record.released.is_empty() {
            Remembered::Supervised(Box::new(decode(any)?))
        } else {
            Remembered::Released(serde_json::from_str(&record.released)?)
        })
    };
    let unreadable = |error: RecordError| Remembered::Unreadable(error.to_string());
    Some(read().unwrap_or_else(unreadable))
}

/// True if probelet created the container, or if that is unknown. The extension of a foreign
/// container is readable, and names it as adopted.
pub fn is_of_own(any: &Extension) -> bool {
    match decode_foreign(any) {
        Some(Remembered::Supervised(cared)) => !cared.0.is_adopted(),
        Some(Remembered::Released(_)) => false,
        Some(Remembered::Unreadable(_)) => true,
        // The value of the extension was removed.
        None => true,
    }
}

fn wrap(record: &pb::Record) -> Extension {
    Extension { type_url: TYPE.to_owned(), value: record.encode_to_vec() }
}

fn unwrap(any: &Extension) -> Result<pb::Record, RecordError> {
    if any.type_url != TYPE {
        return Err(RecordError::Foreign(any.type_url.clone()));
    }
    let record = pb::Record::decode(any.value.as_slice())?;
    match record.version {
        VERSION | WITH_NAMESPACE => Ok(record),
        newer => Err(RecordError::Newer(newer)),
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
pub(crate) mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::domain::Incarnation;
    use crate::domain::container::Wanted;
    use crate::domain::restart::Backoff;
    pub(crate) use crate::domain::spec::sample::pod;

    pub(crate) fn memory() -> Memory {
        Memory {
            wanted: Wanted::Running,
            attempt: Incarnation(3),
            restart_count: 3,
            created_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            started_at: None,
            started: true,
            ready: false,
            image_id: "web@sha256:00".into(),
            stop_signal: None,
            ended: None,
            last_state: None,
            restart_at: None,
            backoff: Backoff::default(),
            paused_until: None,
            stopping: None,
            held: true,
            round: 2,
            given_up: false,
            events: Vec::new(),
            ..Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH)
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let any = encode(&pod(), &memory()).unwrap();
        assert_eq!(decode(&any).unwrap(), (pod(), memory()));
    }

    #[test]
    fn a_newer_record_is_left_alone() {
        let newer = wrap(&pb::Record { version: 3, ..pb::Record::default() });
        assert!(matches!(decode(&newer), Err(RecordError::Newer(3))));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert!(matches!(decode(&Extension::default()), Err(RecordError::Foreign(_))));
        let garbled = Extension { type_url: TYPE.into(), value: vec![0xff] };
        assert!(matches!(decode(&garbled), Err(RecordError::Garbled(_))));
        let empty = wrap(&pb::Record { version: VERSION, ..pb::Record::default() });
        assert!(matches!(decode(&empty), Err(RecordError::Json(_))));
    }
}
