//! Lists → the objects in them: `List` and every other kind that ends in it and has `items`, as
//! kubectl takes them.

use serde_json::{Map, Value};

/// An object, and where it is in its document: `items[0].` in a list, empty otherwise.
#[derive(Debug, PartialEq)]
pub struct Member {
    pub prefix: String,
    pub value: Value,
}

/// The object, or those that a list holds. A list may hold lists.
pub fn members(value: Value) -> Vec<Member> {
    let mut all = Vec::new();
    collect(value, String::new(), &mut all);
    all
}

/// Whether this would be a list if it had its items.
pub(super) fn is_named_list(value: &Value) -> bool {
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

/// The items of a typed list may leave out what they are.
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

    fn taken(value: Value) -> Vec<(String, Value)> {
        members(value).into_iter().map(|member| (member.prefix, member.value)).collect()
    }

    #[test]
    fn every_kind_of_list_holds_its_items() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        for kind in ["List", "PodList", "RoleList", "WidgetList"] {
            let list = json!({"kind": kind, "items": [pod, pod]});
            let expected =
                [("items[0].".to_owned(), pod.clone()), ("items[1].".into(), pod.clone())];
            assert_eq!(taken(list), expected, "{kind}");
        }
        let nested = json!({"kind": "List", "items": [{"kind": "PodList", "items": [pod]}]});
        assert_eq!(taken(nested), [("items[0].items[0].".to_owned(), pod)]);
        assert_eq!(taken(json!({"kind": "List", "items": []})), []);
    }

    #[test]
    fn an_item_of_a_typed_list_needs_no_kind() {
        let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"data": {}}]});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {}});
        assert_eq!(taken(list), [("items[0].".to_owned(), map)]);
        let untyped = json!({"kind": "List", "items": [{"data": {}}, 7]});
        let items = [json!({"data": {}}), json!(7)];
        assert_eq!(taken(untyped).into_iter().map(|(_, item)| item).collect::<Vec<_>>(), items);
    }

    #[test]
    fn what_has_no_items_is_one_object() {
        for value in [
            json!({"kind": "ConfigMapList", "items": {}}),
            json!({"kind": "List"}),
            json!({"kind": "Pod", "items": [1]}),
            json!([1]),
        ] {
            assert_eq!(taken(value.clone()), [(String::new(), value)]);
        }
    }
}
