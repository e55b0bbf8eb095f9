use super::*;

#[test]
fn every_example_is_read_without_a_warning() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut taken = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let batch = batch(documents(&text).unwrap(), || "u".to_owned());
        assert_eq!((batch.errors, batch.warnings), (vec![], vec![]), "{}", path.display());
        taken += 1;
    }
    assert!(taken >= 7, "{taken} examples");
}
