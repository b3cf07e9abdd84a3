"""Rules of the auction."""

from kit.cosmonapse.rules.rule import PLACE, Rule

AUCTION_RULES = (
    Rule(
        "offer-dangling",
        "warning",
        "A TASK_OFFER is awarded, or its trace stopped.",
        PLACE + "5.3",
        """
        SELECT o.run, o.trace_id, [o.id] AS events,
               concat('offer with ', (SELECT count(*) FROM pair b WHERE b.run = o.run AND b.parent_id = o.id
                      AND b.type = 'BID'), ' bids was never awarded') AS message
        FROM signal o
        ANTI JOIN (SELECT b.run, b.parent_id FROM pair b JOIN pair w ON w.run = b.run AND w.parent_id = b.id
                   WHERE b.type = 'BID' AND w.type = 'TASK_AWARDED') won ON won.run = o.run AND won.parent_id = o.id
        ANTI JOIN stop ON stop.run = o.run AND stop.trace_id = o.trace_id
        WHERE o.type = 'TASK_OFFER'""",
    ),
    Rule(
        "award-once",
        "error",
        "An offer is awarded at most once.",
        PLACE + "5.3",
        """
        SELECT w.run, min(w.trace_id) AS trace_id, [b.parent_id] || list(w.id ORDER BY w.ts, w.id) AS events,
               concat('offer awarded ', count(*), ' times') AS message
        FROM pair w JOIN pair b ON b.run = w.run AND b.id = w.parent_id
        WHERE w.type = 'TASK_AWARDED' AND b.type = 'BID'
        GROUP BY w.run, b.parent_id HAVING count(*) > 1""",
    ),
    Rule(
        "award-bidder",
        "error",
        "An award, or a decline of a bid, goes to who made the bid.",
        PLACE + "5.3",
        """
        SELECT run, trace_id, [parent_id, id] AS events,
               concat(type, ' to ', coalesce(neuron, 'nobody'), ', the bid is of ', parent_neuron) AS message
        FROM pair WHERE type IN ('TASK_AWARDED', 'TASK_DECLINED') AND parent_type = 'BID'
          AND neuron IS DISTINCT FROM parent_neuron""",
    ),
    Rule(
        "award-and-decline",
        "error",
        "A bid is awarded or declined, not both.",
        PLACE + "5.3",
        """
        SELECT run, min(trace_id) AS trace_id, [parent_id] || list(id ORDER BY ts, id) AS events,
               'bid both awarded and declined' AS message
        FROM pair WHERE type IN ('TASK_AWARDED', 'TASK_DECLINED') AND parent_type = 'BID'
        GROUP BY run, parent_id HAVING count(DISTINCT type) = 2""",
    ),
    Rule(
        "decline-after-award",
        "warning",
        "Declines of bids are sent before the award.",
        PLACE + "5.3",
        """
        SELECT d.run, d.trace_id, [w.id, d.id] AS events, concat('declined ', d.neuron, ' after the award') AS message
        FROM pair d JOIN pair b ON b.run = d.run AND b.id = d.parent_id
        JOIN pair c ON c.run = b.run AND c.parent_id = b.parent_id AND c.type = 'BID'
        JOIN pair w ON w.run = c.run AND w.parent_id = c.id AND w.type = 'TASK_AWARDED'
        WHERE d.type = 'TASK_DECLINED' AND b.type = 'BID' AND d.ts > w.ts""",
    ),
)
