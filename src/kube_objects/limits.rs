//! The number and the size of all stored objects, which are in memory.

use std::collections::BTreeMap;

use probelet_objects::ObjectName;

use super::error::StoreError;

/// The objects of all kinds.
const OBJECTS: usize = 10_000;
/// The bytes of all files.
const BYTES: usize = 128 << 20;

/// The size of each stored object.
#[derive(Debug, Default)]
pub struct Sizes {
    each: BTreeMap<ObjectName, usize>,
    total: usize,
}

impl Sizes {
    /// Checks that an object of this size can be stored, also in place of an old one.
    pub fn check(&self, name: &ObjectName, size: usize) -> Result<(), StoreError> {
        let old = self.each.get(name);
        if old.is_none() && self.each.len() >= OBJECTS {
            return Err(StoreError::Full(format!("it has {OBJECTS} objects")));
        }
        let total = self.total.saturating_sub(old.copied().unwrap_or_default());
        // An object may become smaller in a store that is full.
        if total.saturating_add(size) > BYTES && old.is_none_or(|old| size > *old) {
            return Err(StoreError::Full(format!("its objects may have {BYTES} bytes")));
        }
        Ok(())
    }

    pub fn set(&mut self, name: ObjectName, size: usize) {
        self.remove(&name);
        self.total = self.total.saturating_add(size);
        self.each.insert(name, size);
    }

    pub fn remove(&mut self, name: &ObjectName) {
        let old = self.each.remove(name).unwrap_or_default();
        self.total = self.total.saturating_sub(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ObjectName {
        ObjectName::new("configmaps", Some("default"), text).unwrap()
    }

    #[test]
    fn a_full_store_takes_no_new_object_and_lets_old_ones_shrink() {
        let mut sizes = Sizes::default();
        (0..OBJECTS).for_each(|n| sizes.set(name(&format!("n{n}")), 1));
        assert!(matches!(sizes.check(&name("new"), 1), Err(StoreError::Full(_))));
        assert!(sizes.check(&name("n7"), 100).is_ok());
        sizes.set(name("n7"), BYTES + 10);
        assert!(matches!(sizes.check(&name("n8"), 2), Err(StoreError::Full(_))));
        assert!(sizes.check(&name("n7"), 5).is_ok());
        sizes.remove(&name("n7"));
        assert!(sizes.check(&name("new"), 5).is_ok());
    }
}
