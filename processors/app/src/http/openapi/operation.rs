//! One operation of the OpenAPI document, put together piece by piece.

use serde_json::{Value, json};

/// Where schemas stand.
const SCHEMAS: &str = "#/components/schemas";

/// What may be done at a path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The method, in lower case.
    pub method: &'static str,
    /// What stands for `{verb}` in the path, where that is in it.
    pub verb: Option<&'static str>,
    /// The operation as the document has it.
    pub told: Value,
}

/// A schema by its name.
pub fn schema(name: &str) -> Value {
    json!({ "$ref": format!("{SCHEMAS}/{name}") })
}

/// A number from one to another.
pub fn whole(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

impl Operation {
    fn new(method: &'static str, id: &str, about: &str) -> Self {
        let told = json!({
            "operationId": id, "summary": about, "parameters": [], "responses": {},
        });
        Self { method, verb: None, told }
    }

    /// Somebody looks.
    pub fn get(id: &str, about: &str) -> Self {
        Self::new("get", id, about)
    }

    /// Somebody sets something.
    pub fn put(id: &str, about: &str) -> Self {
        Self::new("put", id, about)
    }

    /// Somebody has something done.
    pub fn verb(id: &str, verb: &'static str, about: &str) -> Self {
        Self { verb: Some(verb), ..Self::new("post", id, about) }
    }

    fn parameter(mut self, parameter: Value) -> Self {
        if let Some(parameters) = self.told["parameters"].as_array_mut() {
            parameters.push(parameter);
        }
        self
    }

    /// A part of the path.
    #[must_use]
    pub fn at(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(json!({
            "name": name, "in": "path", "required": true, "description": about, "schema": schema,
        }))
    }

    /// The model in the path.
    #[must_use]
    pub fn of_model(self) -> Self {
        self.at("model", "a read model that this instance runs", schema("ModelName"))
    }

    /// Something in the query.
    #[must_use]
    pub fn asks(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(json!({
            "name": name, "in": "query", "description": about, "schema": schema,
        }))
    }

    /// What must be settled before it is read.
    #[must_use]
    pub fn waits(self) -> Self {
        let about = "positions of records, `topic/partition@offset`, separated by commas: wait \
                     until they are settled, and then read";
        let how_long = "for how long, in milliseconds; 2000 without it";
        let most = super::super::at_least::MOST_WAIT_MS;
        self.asks("at_least", about, schema("Positions"))
            .asks("wait_ms", how_long, whole(0, most))
            .problems(&[422, 504])
    }

    /// Something in the head.
    #[must_use]
    pub fn heads(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(json!({
            "name": name, "in": "header", "description": about, "schema": schema,
        }))
    }

    /// The body of a request.
    #[must_use]
    pub fn takes(mut self, schema: Value, needed: bool) -> Self {
        self.told["requestBody"] = json!({
            "required": needed, "content": { "application/json": { "schema": schema } },
        });
        self.problems(&[413, 415, 422])
    }

    /// An answer of a content type.
    #[must_use]
    pub fn answers(mut self, status: u16, about: &str, kind: &str, schema: Value) -> Self {
        self.told["responses"][status.to_string()] = json!({
            "description": about, "content": { kind: { "schema": schema } },
        });
        self
    }

    /// An answer in JSON.
    #[must_use]
    pub fn json(self, status: u16, about: &str, name: &str) -> Self {
        self.answers(status, about, "application/json", schema(name))
    }

    /// Answers that are problems.
    #[must_use]
    pub fn problems(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let at = status.to_string();
            let kinds = &mut self.told["responses"][at.as_str()]["content"];
            kinds["application/problem+json"] = json!({ "schema": schema("Problem") });
            let reason = axum::http::StatusCode::from_u16(*status);
            let reason = reason.ok().and_then(|status| status.canonical_reason());
            let response = &mut self.told["responses"][at.as_str()];
            if response["description"].is_null() {
                response["description"] = reason.unwrap_or("Problem").into();
            }
        }
        self
    }

    /// What it may be answered because of what stands before it.
    #[must_use]
    pub fn behind(self, needs_token: bool, tokens: bool) -> Self {
        let mut guarded = self.problems(&[400, 421, 503]);
        guarded.told["responses"]["431"] = json!({ "description": "the head is too large" });
        if !needs_token {
            guarded.told["security"] = json!([]);
            return guarded;
        }
        if !tokens {
            guarded.told["security"] = json!([{}, { "token": [] }]);
        }
        let statuses: &[u16] = if guarded.method == "get" { &[401, 429] } else { &[401, 403, 429] };
        guarded.problems(statuses)
    }
}
