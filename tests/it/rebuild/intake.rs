//! A model is rebuilt from an archive, since its log has forgotten, and joined to what the log has.

use super::*;
use crate::excerpt::truncate;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_has_forgotten_is_rebuilt_from_an_archive_and_joined_to_the_rest() {
    let Begun { corner, file, mut shipment, mut mills } = begun("intake", BEFORE, 1).await;
    let file = &file;
    let archive = corner.dir().join("archive");
    let archive = archive.to_str().unwrap();
    succeed(&["archive", "-c", file, "--to", archive]);
    for table in ["points_outbox", "deliveries_outbox_a", "deliveries_outbox_b"] {
        let topic = format!("{}.public.{table}", corner.name);
        let its = shipment.partitions();
        let its = its.iter().filter(|partition| *partition.topic == *topic);
        let group = Group::new(&stack("KAFKA_BROKERS"), "nobody", its.cloned().collect());
        let ends: Vec<(i32, i64)> =
            group.ends().into_iter().map(|(partition, end)| (partition.index, end)).collect();
        truncate(&topic, &ends).await;
    }
    shipment.send(BEFORE / 4, PARTITIONS).await;
    for model in MODELS {
        let rebuilt = command("rebuild", model, file, &["--archive", archive]);
        assert_eq!((&rebuilt["generation"], &rebuilt["caught_up"]), (&2.into(), &true.into()));
    }
    wait_for_all(&corner, &shipment, &[1, 2]);
    // Both generations are whole, and what the archive said was told by the live one alone.
    verdict(&corner, &shipment, &[1, 2]).await.check();
    check_told_once(&corner, &shipment, "the rebuild has told something");
    assert_eq!(mills.pop().unwrap().stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_begins_at_a_time() {
    let Begun { corner, file, mut shipment, mut mills } = begun("sincetime", BEFORE, 1).await;
    let file = &file;
    sleep(Duration::from_millis(2_500)).await;
    let sent = shipment.send(200, PARTITIONS).await;
    let rebuilt = command("rebuild", "points", file, &["--from", "2s"]);
    assert_eq!(rebuilt["caught_up"], true);
    wait_for_all_of("points", &corner, &shipment, 2);
    let store = corner.mongo().await.documents("points", 2).await.unwrap();
    let found = contents::<readmill_models::Points>(&store).await;
    // Those of before are not there; those of later wait for them, or began later.
    let whole = shipment.points.documents.len();
    assert!(found.living < whole / 2 && found.living + found.waiting <= sent, "{found:?}");
    let listed = command("generations", "points", file, &[]);
    assert!(listed["generations"][1]["from"].as_str().unwrap().starts_with("20"), "{listed}");
    assert_eq!(mills.pop().unwrap().stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_begins_at_the_positions_in_a_file() {
    let Begun { corner, file, mut shipment, mut mills } = begun("atplaces", BEFORE, 1).await;
    let file = &file;
    let places = corner.dir().join("places.json");
    let places = places.to_str().unwrap();
    succeed(&["positions", "export", "points", "-c", file, "--to", places]);
    let other = readmill(&["rebuild", "deliveries", "-c", file, "--from-positions", places]);
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(said.contains("is of points, and not of deliveries"), "{said}");
    let sent = shipment.send(200, PARTITIONS).await;
    let rebuilt = command("rebuild", "points", file, &["--from-positions", places]);
    assert_eq!((&rebuilt["generation"], &rebuilt["caught_up"]), (&2.into(), &true.into()));
    wait_for_all_of("points", &corner, &shipment, 2);
    let store = corner.mongo().await.documents("points", 2).await.unwrap();
    let found = contents::<readmill_models::Points>(&store).await;
    assert!(found.living + found.waiting > 0 && found.living + found.waiting <= sent, "{found:?}");
    let listed = command("generations", "points", file, &[]);
    let from = listed["generations"][1]["from"].as_str().unwrap();
    assert!(from.starts_with("the positions in "), "{listed}");
    // A place that the log has not is no place: nothing is begun.
    let text = std::fs::read_to_string(places).unwrap();
    let beyond = text.replace("\"offset\": ", "\"offset\": 9");
    std::fs::write(places, beyond).unwrap();
    succeed(&["rebuild", "points", "-c", file, "--cancel"]);
    let refused = readmill(&["rebuild", "points", "-c", file, "--from-positions", places]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("cannot begin at offset"), "{said}");
    let listed = command("generations", "points", file, &[]);
    assert_eq!(listed["generations"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(mills.pop().unwrap().stop(), Some(0));
}
