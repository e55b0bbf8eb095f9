//! What waits for slow streams.

use tokio::time::Instant;

use super::*;

async fn text(stream: &mut FromClient) -> Option<Vec<u8>> {
    match stream.next().await? {
        Incoming::Data(data, _share) => Some(data),
        Incoming::End => Some(b"(end)".to_vec()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_stuck_is_aborted_and_the_others_go_on() {
    let mut feeds = Feeds::new(1000, true);
    let (stuck, mut other) = (feeds.open(1), feeds.open(2));
    feeds.data(1, vec![1; 600]).await;
    feeds.data(2, vec![2; 300]).await;
    let begun = Instant::now();
    let aborted = async {
        stuck.aborted().cancelled().await;
        drop(stuck);
    };
    tokio::join!(feeds.data(2, vec![3; 600]), aborted);
    assert!(begun.elapsed() >= PATIENCE);
    assert!(!other.aborted().is_cancelled());
    assert_eq!(text(&mut other).await, Some(vec![2; 300]));
    feeds.end(2).await;
    assert_eq!(text(&mut other).await, Some(vec![3; 600]));
    assert_eq!(text(&mut other).await, Some(b"(end)".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_alone_and_streams_that_belong_together_are_waited_for() {
    for (are_independent, streams) in [(true, 1), (false, 2)] {
        let mut feeds = Feeds::new(1000, are_independent);
        let mut opened: Vec<_> = (0..streams).map(|stream| feeds.open(stream)).collect();
        feeds.data(0, vec![1; 1000]).await;
        let more = feeds.data(0, vec![2; 1000]);
        assert!(tokio::time::timeout(PATIENCE * 100, more).await.is_err());
        assert!(!opened[0].aborted().is_cancelled());
        assert_eq!(text(&mut opened[0]).await, Some(vec![1; 1000]));
        feeds.data(0, vec![2; 5000]).await;
        assert_eq!(text(&mut opened[0]).await, Some(vec![2; 5000]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_parts_is_bounded_and_a_stream_that_ends_makes_room() {
    let mut feeds = Feeds::new(1024, false);
    let (first, mut second) = (feeds.open(1), feeds.open(2));
    for _ in 0..1024 / LEAST {
        feeds.data(1, vec![1]).await;
    }
    assert!(tokio::time::timeout(PATIENCE, feeds.data(2, vec![2])).await.is_err());
    drop(first);
    feeds.data(2, vec![2]).await;
    assert_eq!(text(&mut second).await, Some(vec![2]));
    assert!(feeds.is_unread(1) && !feeds.is_unread(2));
    feeds.data(1, vec![1; 10_000]).await;
}
