import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;

/** HDFS and YARN with one node each in this process: writes what clients need into a folder, and waits for its stdin to close. */
public class MiniYarn {
    public static void main(String[] arguments) throws Exception {
        Path folder = Paths.get(arguments[0]).toAbsolutePath();
        Configuration disks = new Configuration();
        disks.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("../dfs").normalize().toString());
        MiniDFSCluster hdfs = new MiniDFSCluster.Builder(disks).numDataNodes(1).build();
        hdfs.waitActive();
        String address = hdfs.getURI().toString();

        YarnConfiguration conf = new YarnConfiguration();
        conf.set("fs.defaultFS", address);
        conf.setInt(YarnConfiguration.RM_SCHEDULER_MINIMUM_ALLOCATION_MB, 128);
        conf.setInt(YarnConfiguration.NM_PMEM_MB, 6144);
        conf.setInt(YarnConfiguration.NM_VCORES, 8);
        conf.setBoolean(YarnConfiguration.NM_PMEM_CHECK_ENABLED, false);
        conf.setBoolean(YarnConfiguration.NM_VMEM_CHECK_ENABLED, false);
        conf.setFloat("yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", 100f);
        conf.set("yarn.scheduler.capacity.maximum-am-resource-percent", "0.9");
        conf.set("yarn.scheduler.capacity.root.queues", "default");
        conf.set("yarn.scheduler.capacity.root.default.capacity", "100");
        conf.set("yarn.nodemanager.delete.debug-delay-sec", "600"); // logs stay readable
        MiniYARNCluster yarn = new MiniYARNCluster("mini", 1, 1, 1);
        yarn.init(conf);
        yarn.start();
        if (!yarn.waitForNodeManagersToConnect(60_000)) throw new IllegalStateException("no node manager");
        Configuration made = yarn.getConfig();
        made.set("fs.defaultFS", address);
        for (String name : new String[] {"yarn-site.xml", "core-site.xml"})
            try (OutputStream out = Files.newOutputStream(folder.resolve(name))) { made.writeXml(out); }
        System.out.println("ready " + address);
        while (System.in.read() >= 0) { }
        System.exit(0);
    }
}
