//! Lists → their objects. As in kubectl, a list is an object with `items` whose kind ends in `List`.

use serde_json::{Map, Value};

/// An object of a document.
#[derive(Debug, PartialEq)]
pub struct Member {
    /// The path of the object in its document: `items[0].` in a list, empty otherwise.
    pub prefix: String,
    /// The object.
    pub value: Value,
}

/// The objects of a list, which may hold lists, or the value itself if it is not a list.
pub fn members(value: Value) -> Vec<Member> {
    let mut all = Vec::new();
    collect(value, String::new(), &mut all);
    all
}

/// True if the kind is that of a list, whether or not there are `items`.
pub fn is_named_list(value: &Value) -> bool {
    value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"))
}

fn collect(value: Value, prefix: String, all: &mut Vec<Member>) {
    let is_list = is_named_list(&value) && value.get("items").is_some_and(Value::is_array);
    let Value::Object(mut list) = value else { return all.push(Member { prefix, value }) };
    match list.remove("items") {
        Some(Value::Array(items)) if is_list => {
            for (index, mut item) in items.into_iter().enumerate() {
                if let Value::Object(item) = &mut item {
                    inherit(item, &list);
                }
                collect(item, format!("{prefix}items[{index}]."), all);
            }
        }
        items => {
            list.extend(items.map(|items| ("items".to_owned(), items)));
            all.push(Member { prefix, value: Value::Object(list) });
        }
    }
}

/// Gives an item of a typed list (`PodList`) its kind and version, which it may leave out.
fn inherit(item: &mut Map<String, Value>, list: &Map<String, Value>) {
    let text = |field: &str| list.get(field).and_then(Value::as_str).unwrap_or_default();
    let kind = text("kind").strip_suffix("List").unwrap_or_default();
    if kind.is_empty() || item.get("kind").is_some_and(|kind| !kind.is_null()) {
        return;
    }
    item.insert("kind".to_owned(), kind.into());
    item.entry("apiVersion").or_insert_with(|| text("apiVersion").into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn objects(value: Value) -> Vec<(String, Value)> {
        members(value).into_iter().map(|member| (member.prefix, member.value)).collect()
    }

    #[test]
    fn every_kind_of_list_holds_its_items() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        for kind in ["List", "PodList", "RoleList", "WidgetList"] {
            let list = json!({"kind": kind, "items": [pod, pod]});
            let expected =
                [("items[0].".to_owned(), pod.clone()), ("items[1].".into(), pod.clone())];
            assert_eq!(objects(list), expected, "{kind}");
        }
        let nested = json!({"kind": "List", "items": [{"kind": "PodList", "items": [pod]}]});
        assert_eq!(objects(nested), [("items[0].items[0].".to_owned(), pod)]);
        assert_eq!(objects(json!({"kind": "List", "items": []})), []);
    }

    #[test]
    fn an_item_of_a_typed_list_needs_no_kind() {
        let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"data": {}}]});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {}});
        assert_eq!(objects(list), [("items[0].".to_owned(), map)]);
        let untyped = json!({"kind": "List", "items": [{"data": {}}, 7]});
        let items = [json!({"data": {}}), json!(7)];
        assert_eq!(objects(untyped).into_iter().map(|(_, item)| item).collect::<Vec<_>>(), items);
    }

    #[test]
    fn a_value_without_items_is_one_object() {
        for value in [
            json!({"kind": "ConfigMapList", "items": {}}),
            json!({"kind": "List"}),
            json!({"kind": "Pod", "items": [1]}),
            json!([1]),
        ] {
            assert_eq!(objects(value.clone()), [(String::new(), value)]);
        }
    }
}
