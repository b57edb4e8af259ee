//! The name under which readers find a read model, whichever generation of it is live: a view.

use bson::doc;
use mongodb::error::ErrorKind;
use readmill_engine::Fault;

use super::connect::Mongo;
use super::faults::{of_driver, refused};

/// The code for a name that is taken.
const EXISTS: i32 = 48;

impl Mongo {
    /// Lets the name of a model lead to the documents of one generation. It is one step for
    /// readers: whoever asks by the name gets the one or the other, and never both or none.
    ///
    /// # Errors
    /// When the server does not answer or refuses, or a collection has that name.
    pub async fn point(&self, model: &str, generation: u32) -> Result<(), Fault> {
        let documents = format!("{model}.g{generation}");
        let make = doc! {"create": model, "viewOn": &documents, "pipeline": []};
        let made = self.ask(async { Ok(self.db().run_command(make).await) }).await?;
        match made {
            Ok(_) => return Ok(()),
            Err(error) if code(&error) == Some(EXISTS) => {}
            Err(error) => return Err(of_driver(self.place(), &error)),
        }
        let turn = doc! {"collMod": model, "viewOn": &documents, "pipeline": []};
        let turned = self.ask(async { Ok(self.db().run_command(turn).await) }).await?;
        turned.map(drop).map_err(|error| {
            let taken =
                code(&error).is_some_and(|code| code == INVALID_OPTIONS || code == NOT_VIEW);
            if taken {
                let detail = format!("{model} is a collection, and no view");
                refused(detail, "rename it: readers find the live generation under that name")
            } else {
                of_driver(self.place(), &error)
            }
        })
    }

    /// The collection to which a model's name leads; none if there is no such view.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn pointed(&self, model: &str) -> Result<Option<String>, Fault> {
        let list = doc! {"listCollections": 1, "filter": {"name": model, "type": "view"}};
        let answer = self.ask(self.db().run_command(list)).await?;
        let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let first = batch.ok().and_then(|batch| batch.first()).and_then(|view| view.as_document());
        let options = first.and_then(|view| view.get_document("options").ok());
        Ok(options.and_then(|options| options.get_str("viewOn").ok()).map(str::to_owned))
    }
}

/// What a server says of a collection that is to be changed as if it were a view.
const INVALID_OPTIONS: i32 = 72;
const NOT_VIEW: i32 = 166;

fn code(error: &mongodb::error::Error) -> Option<i32> {
    let ErrorKind::Command(error) = error.kind.as_ref() else { return None };
    Some(error.code)
}
