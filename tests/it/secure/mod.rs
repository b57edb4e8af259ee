//! The secured stack: with all credentials and rights everything works, and without any one of them
//! it is said clearly what is missing.
//!
//! Each line that is printed here is counted by `tools/drill-secure`, and the table of refusals is
//! that of docs/security.md.

mod fort;
mod kafka;
mod mariadb;
mod others;
mod refusal;
mod rotation;
mod rows;
mod table;

use fort::Fort;

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_with_all_credentials_and_each_lack_is_told() {
    let fort = Fort::build().await;
    rows::become_documents(&fort).await;
    mariadb::rows_become_records(&fort);
    kafka::lets_in(&fort);
    let mut refused = kafka::refuses(&fort).await;
    refused.extend(others::refuse(&fort).await);
    refused.extend(mariadb::refuses(&fort));
    table::is_that_of_the_manual(&refused);
}
